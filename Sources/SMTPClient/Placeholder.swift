// SMTPClient
