from benchmarks.answers.run import main

main()
