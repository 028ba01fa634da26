from benchmarks.knowledge.run import main

main()
