import Resolver

ResolverProgram.main()
