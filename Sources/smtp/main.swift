// smtp(8), lmtp(8).

import SMTPClient

SMTPClientProgram.main()
