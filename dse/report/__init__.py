def write_report(p): pass
