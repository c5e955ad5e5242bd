import Administration

MartletCommand.run()
