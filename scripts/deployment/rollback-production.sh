#!/bin/sh
# Takes production back to the previous stable revision: lists, selects, confirms, shifts, verifies, reports.
# Arguments go to `barq rollback`, for example: --yes, --to REVISION, --app NAME.
set -eu
exec "${BARQ:-barq}" rollback production "$@"
