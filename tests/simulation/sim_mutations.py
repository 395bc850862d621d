def run_mutations(): return []
