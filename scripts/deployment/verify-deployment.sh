#!/bin/sh
# Checks that what runs is what was deployed, and is well: verify-deployment.sh [staging|production] [barq's flags]
set -eu
case "${1:-}" in
    '' | -*) environment=production ;;
    *)
        environment=$1
        shift
        ;;
esac
exec "${BARQ:-barq}" verify "$environment" "$@"
