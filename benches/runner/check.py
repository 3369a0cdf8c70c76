def check(sink): pass
