import Submission

SendmailProgram.main()
