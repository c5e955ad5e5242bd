import Submission

PostqueueProgram.main()
