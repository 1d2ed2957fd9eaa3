"""What Rompslomp says, and what we say: pure, both ways."""
