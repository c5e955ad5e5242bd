import Cleanup

CleanupProgram.main()
