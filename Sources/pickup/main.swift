import Pickup

PickupProgram.main()
