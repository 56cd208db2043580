"""Images of database engines out of this host's Debian packages, with the conventions of the official ones."""

import os
import pathlib
import re
import subprocess

import images

SH = "#!/bin/sh\nset -eu\n"

#: Steps down to a user, as the official images' program of this name does.
GOSU = SH + 'user=$1\nshift\nexec /usr/bin/setpriv --reuid="$user" --regid="$user" --clear-groups "$@"\n'

POSTGRES_ENTRYPOINT = SH + r"""
if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA" /var/run/postgresql
  chown -R postgres "$PGDATA" /var/run/postgresql
  chmod 700 "$PGDATA"
  exec gosu postgres "$0" "$@"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  umask 077
  printf %s "$POSTGRES_PASSWORD" >/tmp/password
  initdb -D "$PGDATA" -U "$POSTGRES_USER" --pwfile=/tmp/password --locale=C --encoding=UTF8 \
    --auth-local=trust --auth-host=scram-sha-256
  rm /tmp/password
  echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
  if [ "$POSTGRES_DB" != postgres ]; then
    pg_ctl -D "$PGDATA" -o "-c listen_addresses= -p $PGPORT" -w start
    psql -U "$POSTGRES_USER" -d postgres -c "CREATE DATABASE \"$POSTGRES_DB\""
    pg_ctl -D "$PGDATA" -m fast -w stop
  fi
fi
exec "$@"
"""

MARIADB_ENTRYPOINT = SH + r"""
data=/var/lib/mysql
for argument in "$@"; do
  case "$argument" in --datadir=*) data=${argument#--datadir=};; esac
done
if [ "$(id -u)" = 0 ]; then
  mkdir -p "$data" /run/mysqld
  chown -R mysql "$data" /run/mysqld
  exec gosu mysql "$0" "$@"
fi
if [ ! -d "$data/mysql" ]; then
  mkdir -p "$data/mysql"
  {
    echo "CREATE DATABASE IF NOT EXISTS mysql;"
    echo "USE mysql;"
    cat /usr/share/mysql/mysql_system_tables.sql /usr/share/mysql/mysql_performance_tables.sql \
      /usr/share/mysql/mysql_system_tables_data.sql
    echo "FLUSH PRIVILEGES;"
    [ -z "${MYSQL_DATABASE:-}" ] || echo "CREATE DATABASE \`$MYSQL_DATABASE\`;"
    cat /docker-entrypoint-initdb.d/*.sql
  } >/tmp/bootstrap.sql
  "$@" --bootstrap </tmp/bootstrap.sql
  rm /tmp/bootstrap.sql
fi
exec "$@"
"""


def libraries(programs):
    """The files that the dynamic loader takes for these, by where it looks for them."""
    found = {}
    for program in programs:
        listed = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
        for path in re.findall(r"(/\S+) \(0x", listed):
            found[path.lstrip("/")] = (pathlib.Path(path).read_bytes(), 0o755)
    return found


def tree(directory, without=()):
    """All files of a directory of the host."""
    found = {}
    for at, directories, files in os.walk(directory):
        directories[:] = [d for d in directories if d not in without]
        for name in files:
            path = pathlib.Path(at, name)
            if path.exists() and name not in without:
                found[str(path).lstrip("/")] = (path.read_bytes(), path.stat().st_mode & 0o777)
    return found


def image(layout, files, user, path, **config):
    """An image that runs `docker-entrypoint.sh` of these files."""
    accounts = {
        "etc/passwd": f"root:x:0:0:root:/root:/bin/sh\n{user}:x:999:999::/tmp:/bin/sh\n".encode(),
        "etc/group": f"root:x:0:\n{user}:x:999:\n".encode(),
        "usr/local/bin/gosu": (GOSU.encode(), 0o755),
        "usr/bin/setpriv": (pathlib.Path("/usr/bin/setpriv").read_bytes(), 0o755),
    }
    layer = images.layer({**files, **libraries(["/usr/bin/setpriv"]), **accounts}, (), [("tmp", 0o1777)])
    base = images.busybox_layer()
    environment = [f"PATH=/usr/local/bin:{path}:/usr/bin:/bin"]
    return layout.write(layout.image([base, layer], {"Env": environment, **config}))


def postgres(directory):
    """PostgreSQL as this host has it."""
    home = max(pathlib.Path("/usr/lib/postgresql").iterdir(), key=lambda p: int(p.name))
    files = tree(home / "lib", without=("bitcode", "llvmjit.so", "pgxs"))
    files |= tree(f"/usr/share/postgresql/{home.name}", without=("man", "extension", "contrib"))
    files |= tree(f"/usr/share/postgresql/{home.name}/extension")
    programs = [home / "bin" / name for name in ("postgres", "initdb", "pg_ctl", "pg_isready", "psql")]
    files |= {str(p).lstrip("/"): (p.read_bytes(), 0o755) for p in programs}
    loaded = [*programs, home / "lib" / "dict_snowball.so", home / "lib" / "plpgsql.so"]
    files |= libraries(map(str, loaded))
    files["usr/local/bin/docker-entrypoint.sh"] = (POSTGRES_ENTRYPOINT.encode(), 0o755)
    return image(images.Layout(directory), files, "postgres", f"{home}/bin", StopSignal="SIGINT")


def mariadb(directory):
    """MariaDB as this host has it."""
    programs = [pathlib.Path("/usr/sbin/mariadbd"), *map(pathlib.Path, ("/usr/bin/mariadb", "/usr/bin/mariadb-admin"))]
    files = {str(p).lstrip("/"): (p.read_bytes(), 0o755) for p in programs}
    files |= libraries(map(str, programs))
    files |= tree("/usr/share/mysql", without=("policy",))
    files["usr/local/bin/docker-entrypoint.sh"] = (MARIADB_ENTRYPOINT.encode(), 0o755)
    return image(images.Layout(directory), files, "mysql", "/usr/sbin")
