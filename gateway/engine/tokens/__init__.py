"""Access tokens: where they come from, and how none is ever lost.

``broker`` is what the rest of the engine asks. Underneath: ``renewal``, the steps of one flight; ``endpoints``, which
talks to a provider's token endpoint; ``refusals``, which decides what refused credentials mean; ``sweeper``, which
takes up what was left behind; and ``lifetimes``: when a token is due.
"""

from gateway.engine.tokens.broker import Tokens
from gateway.engine.tokens.sweeper import Sweeper

__all__ = ["Sweeper", "Tokens"]
