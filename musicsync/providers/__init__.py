"""The providers: the only code that knows their APIs and the only code that speaks HTTP."""
