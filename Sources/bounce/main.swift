import Bounce

BounceProgram.main()
