from benchmarks.evaluation.run import main

main()
