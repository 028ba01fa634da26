from benchmarks.console.run import main

main()
