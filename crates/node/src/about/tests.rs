use super::*;

#[test]
fn an_instance_registers_a_little_less_than_its_type_has() {
    for (nominal, least, most) in [
        (512, 440, 490),
        (1024, 930, 985),
        (2048, 1900, 1965),
        (4096, 3830, 3900),
        (8192, 7600, 7850),
    ] {
        assert!(
            (least..=most).contains(&registered_mib(nominal)),
            "{nominal}"
        );
    }
}

#[test]
fn memory_is_read_from_the_kernel() {
    let text = "MemTotal:        2097152 kB\nMemFree:  1 kB\n";
    assert_eq!(memory_mib(text, "MemTotal:"), Some(2048));
    assert_eq!(memory_mib("MemFree: 1 kB\n", "MemTotal:"), None);
    let offer = host(NodeKind::Ec2).unwrap();
    assert!(offer.resources.memory_mib > 0 && offer.resources.cpu_units >= 1024);
}

#[test]
fn an_external_instance_has_no_interfaces_to_give() {
    let ec2 = attributes(NodeKind::Ec2);
    let external = attributes(NodeKind::External);
    assert!(ec2.contains_key("ecs.capability.task-eni"));
    assert!(!external.contains_key("ecs.capability.task-eni"));
    assert!(external.contains_key("ecs.capability.external"));
    assert_eq!(external["ecs.os-family"], "LINUX");
}

#[test]
fn the_host_keeps_a_tenth() {
    for (total, tasks) in [(16_384, 14_746), (1024, 768), (262_144, 258_048), (128, 0)] {
        assert_eq!(room::less_reserve(total), tasks);
    }
}
