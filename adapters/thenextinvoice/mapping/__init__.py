"""What TheNextInvoice says, and what we say: pure, both ways."""
