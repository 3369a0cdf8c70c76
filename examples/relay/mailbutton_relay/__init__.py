"""A server for the HTTP protocol of mailbutton, which hands each email to an SMTP server through mailbutton itself."""
