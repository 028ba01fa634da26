from benchmarks.ground.run import main

main()
