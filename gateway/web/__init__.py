"""The HTTP edge: routes, callers, bodies, problems, pages, metrics, logs. The only place that knows Starlette."""
