// master: binds the listeners of master.cf, starts the programs behind them when they are needed, and looks after them.

import Master

MasterProgram.main()
