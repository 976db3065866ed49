# SPDX-License-Identifier: BSD-2-Clause
#
# The dom0 shell tests' way of counting and saying, the same as check.h's. Sourced by busybox sh.

passed=0
failed=0

# ok NAME / not_ok NAME TEXT...: one check.
ok()
{
    passed=$((passed + 1))
    echo "PASS $1"
}

not_ok()
{
    failed=$((failed + 1))
    name=$1
    shift
    echo "not ok: $*" | cut -c1-300
    echo "FAIL $name"
}

# is NAME EXPECTED GOT
is()
{
    if [ "$2" = "$3" ]; then
        ok "$1"
    else
        not_ok "$1" "expected '$2', got '$3'"
    fi
}

# succeeds NAME COMMAND... / fails NAME COMMAND...: by the command's exit status.
succeeds()
{
    test_name=$1
    shift
    if test_output=$("$@" 2>&1); then
        ok "$test_name"
    else
        not_ok "$test_name" "'$*' failed: $test_output"
    fi
}

fails()
{
    test_name=$1
    shift
    if test_output=$("$@" 2>&1); then
        not_ok "$test_name" "'$*' succeeded: $test_output"
    else
        ok "$test_name"
    fi
}

# says CODE SENTENCE COMMAND...: vmctl fails with that exit code and in that one line.
says()
{
    wanted="$1 vmctl: $2"
    shift 2
    said=$("$@" 2>&1 >/dev/null)
    is "says:$wanted" "$wanted" "$? $said"
}

# at_least NAME MINIMUM GOT
at_least()
{
    if [ "$3" -ge "$2" ] 2>/dev/null; then
        ok "$1"
    else
        not_ok "$1" "expected $2 or more, got '$3'"
    fi
}

# The last line, and the exit status. Nothing checked is a failure.
finish()
{
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
    exit
}
