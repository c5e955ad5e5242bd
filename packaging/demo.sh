#!/usr/bin/env bash
# Starts a complete private instance of Martlet without root (own directory, high ports, the caller's uid), sends one message with
# sendmail and one over SMTP, shows both as delivered with the log lines of their journey, and stays up until Ctrl-C.
#   packaging/demo.sh [--once] [--directory DIR]
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
bin=${MARTLET_BIN:-$top/.build/debug}
once=no
base=
while [ $# -gt 0 ]; do
  case $1 in
    --once) once=yes ;;
    --directory) base=$2; shift ;;
    *) echo "usage: $0 [--once] [--directory DIR]" >&2; exit 64 ;;
  esac
  shift
done
[ -n "$base" ] || base=$(mktemp -d "${TMPDIR:-/tmp}/martlet-demo.XXXXXX")
mkdir -p "$base"/{etc,queue,mail}
chmod 755 "$base"
# Deliveries to files are made without root's rights, also when root runs this.
chmod 1777 "$base/mail"

free_port() { # the first port from $1 on that nobody listens on
  local port=$1
  while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
  echo "$port"
}
smtp_port=$(free_port 2525)
submission_port=$(free_port $((smtp_port + 1)))

cat >"$base/etc/main.cf" <<END
# A private instance for looking at. The real thing lives in /etc/martlet.
queue_directory = $base/queue
data_directory = $base
daemon_directory = $bin
command_directory = $bin
mail_owner = $(id -un)
maillog_file = $base/mail.log
myhostname = mail.demo.test
mydomain = demo.test
myorigin = \$mydomain
mydestination = \$myhostname, \$mydomain, localhost
mynetworks = 127.0.0.0/8 [::1]/128
inet_interfaces = 127.0.0.1
smtpd_peername_lookup = no
alias_maps = lmdb:$base/etc/aliases
alias_database = \$alias_maps
local_recipient_maps = \$alias_maps
END
cat >"$base/etc/aliases" <<END
matt: $base/mail/matt/
phil: $base/mail/phil/
postmaster: phil
END
cat >"$base/etc/master.cf" <<END
# service type private unpriv chroot wakeup maxproc command
127.0.0.1:$smtp_port inet n n n - - smtpd
127.0.0.1:$submission_port inet n n n - - smtpd
    -o syslog_name=martlet/submission
pickup unix n n n 60 1 pickup
cleanup unix n n n - 0 cleanup
qmgr unix n n n 300 1 qmgr
bounce unix - n n - 1 bounce
resolver unix - n n - 1 resolver
smtp unix - n n - - smtp
local unix - n n - - local
END

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
master_pid=
stop() {
  trap - EXIT INT TERM
  if [ -n "$master_pid" ] && kill -0 "$master_pid" 2>/dev/null; then
    say "Stopping."
    kill -TERM "$master_pid"
    wait "$master_pid" || true
  fi
  rm -rf "$base"
}
trap 'stop; exit 130' INT TERM
trap stop EXIT

wait_for() { # wait_for SECONDS COMMAND...: polls until the command succeeds
  local deadline=$((SECONDS + $1))
  shift
  until "$@" 2>/dev/null; do
    if [ $SECONDS -ge $deadline ] || ! kill -0 "$master_pid" 2>/dev/null; then
      echo "This did not happen: $*" >&2
      cat "$base/mail.log" >&2 || true
      exit 1
    fi
    sleep 0.1
  done
}
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$smtp_port"); }
has_mail() { [ "$(find "$base/mail/$1/new" -type f 2>/dev/null | wc -l)" -ge 1 ]; }
removed() { [ "$(grep -c ': removed' "$base/mail.log")" -ge 2 ]; }

say "Starting a private instance in $base"
# As newaliases does: builds the indexed form of the aliases file.
MAIL_CONFIG="$base/etc" "$bin/sendmail" -bi
"$bin/master" -c "$base/etc" </dev/null &
master_pid=$!
wait_for 30 listens
echo "master runs as $(id -un), process $master_pid; SMTP on 127.0.0.1:$smtp_port, submission on 127.0.0.1:$submission_port"

say "Sending with sendmail, as a local program does"
printf 'Subject: by sendmail\nTo: matt@demo.test\n\nHello Matt, this came through sendmail, postdrop and pickup.\n' |
  MAIL_CONFIG="$base/etc" "$bin/sendmail" -f phil@demo.test -t
echo "sendmail ended with status $?: the message is on stable storage"

say "Sending over SMTP, as another host does"
{
  exec 3<>"/dev/tcp/127.0.0.1/$smtp_port"
  answer() { # reads one reply, multi-line or not
    local line
    while IFS= read -r -t 30 line <&3; do
      printf 'S: %s\n' "${line%$'\r'}"
      [ "${line:3:1}" = - ] || break
    done
  }
  ask() {
    printf 'C: %s\n' "$1"
    printf '%s\r\n' "$1" >&3
    answer
  }
  answer
  ask "EHLO client.demo.test"
  ask "MAIL FROM:<phil@demo.test>"
  ask "RCPT TO:<matt@demo.test>"
  ask "DATA"
  printf 'From: Phil <phil@demo.test>\r\nTo: Matt <matt@demo.test>\r\nSubject: by SMTP\r\n\r\nHello Matt, this came over SMTP.\r\n' >&3
  ask "."
  ask "QUIT"
  exec 3>&-
}

wait_for 30 removed
wait_for 30 has_mail matt
for file in "$base"/mail/matt/new/*; do
  say "Delivered: ${file#"$base/"}"
  tr -d '\r' <"$file"
done
say "The journey in the log ($base/mail.log)"
cat "$base/mail.log"

if [ "$once" = yes ]; then
  count=$(find "$base/mail/matt/new" -type f | wc -l)
  [ "$count" -eq 2 ] || { echo "expected 2 messages in matt's Maildir, found $count" >&2; exit 1; }
  say "Both messages are delivered."
  exit 0
fi
say "The instance stays up. Try:"
cat <<END
  swaks --server 127.0.0.1:$smtp_port --from phil@demo.test --to matt@demo.test
  echo Hello | MAIL_CONFIG=$base/etc $bin/sendmail matt@demo.test
  MAIL_CONFIG=$base/etc $bin/martlet queue list
  tail -f $base/mail.log
Ctrl-C stops it and removes $base.
END
wait "$master_pid"
