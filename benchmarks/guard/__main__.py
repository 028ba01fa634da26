from benchmarks.guard.run import main

main()
