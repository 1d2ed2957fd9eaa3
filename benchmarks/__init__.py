"""How fast Polder is beside what it is compared with: ``./dev bench``. See README.md here."""
