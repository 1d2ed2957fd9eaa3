# An alias for ./dev, for those whose fingers type make.
.PHONY: demo test lint lock generate
demo test lint lock generate:
	@./dev $@
