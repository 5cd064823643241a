//! x
use anyhow::Result;
pub fn pjsua2_udp_md5()->Result<()>{Ok(())}
pub fn pjsua2_tcp_sha256()->Result<()>{Ok(())}
pub fn baresip_udp()->Result<()>{Ok(())}
pub fn baresip_tcp()->Result<()>{Ok(())}
pub fn kamailio_carrier()->Result<()>{Ok(())}
pub fn caller_sees_why()->Result<()>{Ok(())}
