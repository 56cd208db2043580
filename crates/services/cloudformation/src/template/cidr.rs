//! The ranges that `Fn::Cidr` makes of a block.

/// `count` ranges of a block, with `bits` for hosts.
pub fn ranges(block: &str, count: u32, bits: Option<u32>) -> Result<Vec<String>, String> {
    let wrong = || format!("Template error: Fn::Cidr cannot make {count} ranges of {block}");
    if count == 0 || count > 256 {
        return Err("Template error: Fn::Cidr count must be between 1 and 256".into());
    }
    let (address, length) = block.split_once('/').ok_or_else(wrong)?;
    let length: u32 = length.parse().map_err(|_| wrong())?;
    let address: std::net::IpAddr = address.parse().map_err(|_| wrong())?;
    let (width, first) = match address {
        std::net::IpAddr::V4(v4) => (32, u128::from(u32::from(v4))),
        std::net::IpAddr::V6(v6) => (128, u128::from(v6)),
    };
    let bits = bits.unwrap_or(if width == 32 { 8 } else { 64 });
    if length > width || bits > width - length || (bits == 128 && count > 1) {
        return Err(wrong());
    }
    let room = width - length - bits;
    if room < 32 && count > (1u32 << room.min(31)) {
        return Err(wrong());
    }
    let host = width - length;
    let mask = if host >= 128 {
        u128::MAX
    } else {
        (1u128 << host) - 1
    };
    let base = first & !mask;
    let make = |i: u32| {
        let at = base + (u128::from(i) << bits);
        let prefix = width - bits;
        match width {
            32 => format!("{}/{prefix}", std::net::Ipv4Addr::from(at as u32)),
            _ => format!("{}/{prefix}", std::net::Ipv6Addr::from(at)),
        }
    };
    Ok((0..count).map(make).collect())
}
