use super::*;

#[test]
fn ids_have_ec2s_form() {
    assert!(is_id("i-0123456789abcdef0"));
    for bad in [
        "",
        "i-",
        "0123456789abcdef0",
        "i-0123456789abcdef",
        "i-0123456789abcdef00",
        "i-0123456789ABCDEF0",
        "i-0123456789abcde/0",
    ] {
        assert!(!is_id(bad), "{bad}");
    }
}

#[test]
fn a_slices_cgroup_is_beside_the_hosts() {
    let name = cgroup_name("0a1b", "i-0123456789abcdef0");
    assert_eq!(name, "0a1b-i-0123456789abcdef0");
}
