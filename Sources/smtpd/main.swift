import SMTPServer

SMTPServerProgram.main()
