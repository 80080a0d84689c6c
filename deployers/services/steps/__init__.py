"""The steps of operations. Each looks at what AWS says now, does one thing, and tells what comes next."""
