#!/bin/sh
# Runs the mailer's tests against aiosmtpd, which it installs into .tools/.

set -eu
cd "$(dirname "$0")/../../.."
. infra/contract/tools.sh
command -v python3 >/dev/null || without "the test of emails" "there is no python3"
folder=$(python_packages functions/mailer/tests/python-smtp.txt) ||
    without "the test of emails" "its Python packages cannot be installed"
AIOSMTPD_PYTHON=$PWD/$folder/bin/python
export AIOSMTPD_PYTHON
cargo test --locked --package mailer --test it -- --ignored smtp::
