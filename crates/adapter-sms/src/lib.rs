//! SmsSender: the stub gateway.
