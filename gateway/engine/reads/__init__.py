"""How a question is answered: from memory, from another node, by hearing the same again, or by translating anew."""
