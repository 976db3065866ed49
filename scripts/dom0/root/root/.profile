export PATH=/opt/helium/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/xen-4.17/bin
export PS1='helium:\w# '
# A serial line has no size of its own; without one the shell asks the terminal, and a script that
# reads the console sees the question.
case $(stty size 2>/dev/null) in
    '' | 0*) export LINES=24 COLUMNS=80 ;;
esac
