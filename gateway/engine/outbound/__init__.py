"""The way out to an accounting system, as an adapter sees it: with token, pace, retries and deadline taken care of."""
