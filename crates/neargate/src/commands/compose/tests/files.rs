//! Ten files of the public kind: each is mapped, or refused with what is wrong.

use super::{container, made, made_of, read, read_with, refused, resource, waits};
use serde_json::json;

#[test]
fn a_blog_with_a_database() {
    let t = made(
        "services:
  blog:
    image: wordpress:6
    restart: always
    depends_on: [db]
    ports: ['8080:80']
    environment:
      WORDPRESS_DB_HOST: db
      WORDPRESS_DB_PASSWORD: example
  db:
    image: mariadb:11
    restart: always
    environment: [MARIADB_DATABASE=blog, 'MARIADB_ROOT_PASSWORD=example']
    volumes: [db:/var/lib/mysql]
volumes:
  db:
",
    );
    assert_eq!(waits(&t, "ServiceBlog"), ["ServiceDb"]);
    let blog = container(&t, "TaskBlog", "blog");
    assert_eq!(blog["PortMappings"], json!([{"ContainerPort": 80}]));
    assert_eq!(
        blog["Environment"][0],
        json!({"Name": "WORDPRESS_DB_HOST", "Value": "db"})
    );
    let db = resource(&t, "TaskDb");
    let id = db["Volumes"][0]["EFSVolumeConfiguration"]["FilesystemId"].as_str();
    assert!(id.is_some_and(|id| id.len() == 20 && id.starts_with("fs-")));
    assert_eq!((&db["Cpu"], &db["Memory"]), (&json!("256"), &json!("512")));
    // Two databases on the same files at a time would harm them.
    let rolling = &resource(&t, "ServiceDb")["DeploymentConfiguration"];
    assert_eq!(
        (
            &rolling["MinimumHealthyPercent"],
            &rolling["MaximumPercent"]
        ),
        (&json!(0), &json!(100))
    );
    assert_eq!(resource(&t, "Domain")["DomainName"], "shop.internal");
    assert_eq!(resource(&t, "Namespace")["Name"], "shop.internal");
    assert_eq!(resource(&t, "NameDb")["Name"], "db");
}

#[test]
fn a_program_behind_a_proxy_with_files() {
    let text = "services:
  proxy:
    image: nginx:1
    volumes: ['./proxy/nginx.conf:/etc/nginx/conf.d/default.conf:ro']
    ports: ['80:80']
    depends_on: [backend]
  backend:
    build: {context: backend, target: builder, args: {VERSION: 2}}
";
    let project = read(text).expect("mapped");
    let proxy = &project.services["proxy"];
    assert_eq!(proxy.baked[0].target, "/etc/nginx/conf.d/default.conf");
    assert!(
        project
            .notes
            .iter()
            .any(|n| n == "./proxy/nginx.conf is put into the image, as it is at `up`")
    );
    let build = project.services["backend"].build.as_ref().expect("built");
    assert_eq!(
        (&*build.context, build.target.as_deref()),
        ("backend", Some("builder"))
    );
    assert_eq!(build.arguments["VERSION"].as_deref(), Some("2"));
    made_of(&project);
}

#[test]
fn a_database_whose_password_is_a_secret() {
    let t = made(
        "services:
  db:
    image: postgres:17
    secrets: [db-password]
    environment: {POSTGRES_PASSWORD_FILE: /run/secrets/db-password}
    healthcheck: {test: pg_isready -U postgres, interval: 2s, timeout: 5s, retries: 50}
  api:
    image: api
    depends_on: {db: {condition: service_healthy}}
secrets:
  db-password: {file: db/password.txt}
",
    );
    let db = container(&t, "TaskDb", "db");
    let secret = db["Secrets"][0]["ValueFrom"]["Ref"]
        .as_str()
        .expect("a secret");
    assert_eq!(db["Secrets"][0]["Name"], "POSTGRES_PASSWORD");
    assert!(db.get("Environment").is_none());
    assert_eq!(
        resource(&t, secret)["SecretString"],
        json!({"Ref": secret.replace("Secret", "Value")})
    );
    assert_eq!(
        t["Parameters"][secret.replace("Secret", "Value")]["NoEcho"],
        true
    );
    // ECS's limits: every five seconds at most, and ten times.
    let health = &db["HealthCheck"];
    assert_eq!(
        health["Command"],
        json!(["CMD-SHELL", "pg_isready -U postgres"])
    );
    assert_eq!(
        (&health["Interval"], &health["Retries"]),
        (&json!(5), &json!(10))
    );
    assert_eq!(waits(&t, "ServiceApi"), ["ServiceDb"]);
}

#[test]
fn a_migration_before_the_program() {
    let t = made(
        "services:
  db: {image: postgres, healthcheck: {test: [CMD, pg_isready]}, environment: {POSTGRES_PASSWORD: x}}
  migrate:
    image: app
    command: ./manage migrate --no-input
    depends_on: {db: {condition: service_healthy}}
  app:
    image: app
    depends_on: {migrate: {condition: service_completed_successfully}}
",
    );
    let app = container(&t, "TaskApp", "app");
    assert_eq!(
        app["DependsOn"],
        json!([{"ContainerName": "migrate", "Condition": "SUCCESS"}])
    );
    let migrate = container(&t, "TaskApp", "migrate");
    assert_eq!(migrate["Essential"], false);
    assert_eq!(
        migrate["Command"],
        json!(["./manage", "migrate", "--no-input"])
    );
    // The task waits for whom its first container waits for.
    assert_eq!(waits(&t, "ServiceApp"), ["ServiceDb"]);
    assert!(t["Resources"].get("ServiceMigrate").is_none());
}

#[test]
fn tiers_that_do_not_see_each_other() {
    let t = made(
        "services:
  web: {image: web, networks: [front], ports: ['127.0.0.1:3000:3000']}
  api: {image: api, networks: [front, back]}
  db: {image: db, networks: [back]}
networks:
  front: {driver: bridge}
  back: {internal: true}
  unused:
",
    );
    let groups = |service: &str| {
        let network = &resource(&t, service)["NetworkConfiguration"]["AwsvpcConfiguration"];
        let groups = network["SecurityGroups"].as_array().expect("groups").len();
        (
            groups,
            network["AssignPublicIp"].as_str() == Some("ENABLED"),
        )
    };
    assert_eq!(groups("ServiceWeb"), (1, true));
    assert_eq!(groups("ServiceApi"), (2, true));
    assert_eq!(
        groups("ServiceDb"),
        (1, false),
        "nobody leaves an internal network"
    );
    let among = resource(&t, "AmongBack");
    assert_eq!(
        among["SourceSecurityGroupId"],
        json!({"Fn::GetAtt": ["NetworkBack", "GroupId"]})
    );
    assert!(t["Resources"].get("NetworkUnused").is_none());
}

#[test]
fn workers_with_limits_and_common_parts() {
    let t = made(
        "x-app: &app
  image: ghcr.io/example/app:1
  environment: &env {REDIS_URL: 'redis://cache:6379', LEVEL: info}
  init: true
services:
  worker:
    <<: *app
    command: [celery, worker]
    environment: {<<: *env, LEVEL: debug}
    deploy: {replicas: 3, resources: {limits: {cpus: '1.5', memory: 3G}, reservations: {memory: 512M}}}
    stop_grace_period: 1m30s
    ulimits: {nofile: {soft: 4096, hard: 8192}}
    cap_drop: [ALL]
  cache:
    image: redis:7-alpine
    command: redis-server --save '60 1' --loglevel warning
    read_only: true
    tmpfs: /tmp
",
    );
    let task = resource(&t, "TaskWorker");
    assert_eq!(
        (&task["Cpu"], &task["Memory"]),
        (&json!("2048"), &json!("4096"))
    );
    assert_eq!(resource(&t, "ServiceWorker")["DesiredCount"], 3);
    let worker = container(&t, "TaskWorker", "worker");
    assert_eq!(
        worker["Environment"][0],
        json!({"Name": "LEVEL", "Value": "debug"})
    );
    assert_eq!(
        (&worker["Memory"], &worker["MemoryReservation"]),
        (&json!(3072), &json!(512))
    );
    assert_eq!(worker["StopTimeout"], 90);
    assert_eq!(
        worker["LinuxParameters"],
        json!({"InitProcessEnabled": true, "Capabilities": {"Drop": ["ALL"]}})
    );
    assert_eq!(worker["Ulimits"][0]["HardLimit"], 8192);
    let cache = container(&t, "TaskCache", "cache");
    assert_eq!(
        cache["Command"],
        json!(["redis-server", "--save", "60 1", "--loglevel", "warning"])
    );
    assert_eq!(cache["MountPoints"][0]["ContainerPath"], "/tmp");
}

#[test]
fn variables_files_and_profiles() {
    let text = "name: My_Shop
services:
  web:
    image: web:${TAG:-latest}
    env_file: [web.env, {path: local.env, required: false}]
    environment: [TOKEN, 'MODE=${MODE-dev}', 'PRICE=5$$']
  tools:
    image: tools
    profiles: [debug]
";
    let files = [(
        "web.env",
        "# of the web\nA=1\nexport B=\"two\\nlines\" # here\nC='$A'\nD=x # y\n",
    )];
    let variables = [("TAG", ""), ("TOKEN", "t")];
    let project = read_with(text, &variables, &files, &[]).expect("mapped");
    assert_eq!(project.name, "my-shop");
    let web = &project.services["web"];
    assert_eq!(web.image.as_deref(), Some("web:latest"));
    let expected = [
        ("A", "1"),
        ("B", "two\nlines"),
        ("C", "$A"),
        ("D", "x"),
        ("MODE", "dev"),
        ("PRICE", "5$"),
        ("TOKEN", "t"),
    ];
    let found: Vec<_> = web
        .environment
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .collect();
    assert_eq!(found, expected);
    assert!(!project.services.contains_key("tools"));
    let all = read_with(text, &variables, &files, &["debug"]).expect("mapped");
    assert!(all.services.contains_key("tools"));
    let missing = read_with(text, &variables, &[], &[]).expect_err("no file");
    assert_eq!(
        missing,
        ["line 5: services.web.env_file: there is no file web.env"]
    );
}

#[test]
fn a_development_file_is_refused_by_name() {
    let why = read(
        "services:
  web:
    build: .
    privileged: true
    network_mode: host
    volumes: ['.:/code', '/var/run/docker.sock:/var/run/docker.sock:ro']
    ports: ['5000', '53:53/udp']
    extends: {service: base}
",
    )
    .expect_err("refused");
    let expected = [
        "line 4: services.web.privileged is not mapped: Fargate has no privileged containers",
        "line 5: services.web.network_mode is not mapped: a task has an interface of its own in the project's VPC",
        "line 6: services.web.volumes: . is mounted to be written",
        "line 6: services.web.volumes: /var/run/docker.sock is not in the project's directory",
        "line 7: services.web.ports: \"5000\" leaves the host's port open",
        "line 7: services.web.ports: udp is not mapped: Neargate publishes TCP only",
        "line 8: services.web.extends is not mapped: write the service out",
    ];
    assert_eq!(why.len(), expected.len(), "{why:#?}");
    for (said, expected) in why.iter().zip(expected) {
        assert!(said.starts_with(expected), "{said}");
    }
}

#[test]
fn search_with_a_dashboard() {
    let t = made(
        "services:
  search:
    image: opensearchproject/opensearch:2
    environment: [discovery.type=single-node]
    mem_limit: 2g
    ulimits: {nofile: 65536}
    volumes: ['data:/usr/share/opensearch/data']
  dash-board:
    image: opensearchproject/opensearch-dashboards:2
    ports: [{target: 5601, published: '5601', host_ip: 127.0.0.1}]
    links: [search]
    configs: [{source: dash, target: /config.yml}]
configs: {dash: {file: ./dash.yml}}
volumes: {data: {name: kept}}
",
    );
    let task = resource(&t, "TaskSearch");
    assert_eq!(
        (&task["Cpu"], &task["Memory"]),
        (&json!("256"), &json!("2048"))
    );
    let name = t["Resources"]
        .as_object()
        .expect("all")
        .keys()
        .find(|id| id.starts_with("ServiceDashBoard"));
    assert_eq!(waits(&t, name.expect("a service")), ["ServiceSearch"]);
}

#[test]
fn what_waits_for_itself_or_nobody() {
    let round = "services:
  a: {image: a, depends_on: [b]}
  b: {image: b, depends_on: [a]}
";
    assert_eq!(
        refused(round),
        "line 2: services.a waits for itself: a -> b -> a"
    );
    let nobody = "services:\n  a: {image: a, depends_on: [c]}\n";
    assert_eq!(
        refused(nobody),
        "line 2: services.a depends on \"c\", which the file does not have"
    );
    let unhealthy = "services:
  a: {image: a, depends_on: {b: {condition: service_healthy}}}
  b: {image: b}
";
    assert!(refused(unhealthy).contains("waits until b is healthy, which has no healthcheck"));
    let of_profile = "services:
  a: {image: a, depends_on: [b]}
  b: {image: b, profiles: [p]}
";
    assert!(refused(of_profile).contains("which is of a profile that is not active"));
}

#[test]
fn what_is_not_known_is_said() {
    assert_eq!(
        refused("servces: {}\nservices: {a: {image: a}}"),
        "line 1: unknown key \"servces\"; did you mean \"services\"?"
    );
    assert_eq!(
        refused("services: {a: {imgae: a, image: a}}"),
        "line 1: services.a.imgae is not known"
    );
    assert_eq!(
        refused("services: {a: {}}"),
        "line 1: services.a has neither image nor build"
    );
    assert_eq!(
        refused("services: {}"),
        "line 1: the file has no service to run"
    );
    assert!(
        refused("services: {a: {image: a, secrets: [s]}}\nsecrets: {s: {file: s.txt}}")
            .contains("name one by an environment variable NAME_FILE=/run/secrets/s")
    );
    assert!(
        refused("services: {a: {image: a, volumes: ['v:/v']}}")
            .contains("there is no volume \"v\"")
    );
}
