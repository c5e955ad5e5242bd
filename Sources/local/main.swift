import LocalDelivery

LocalProgram.main()
