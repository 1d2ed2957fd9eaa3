# An alias for ./dev, for those whose fingers type make.
.PHONY: demo test lint lock generate audit
demo test lint lock generate audit:
	@./dev $@
