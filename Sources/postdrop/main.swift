import Submission

PostdropProgram.main()
