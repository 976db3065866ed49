export PATH=/opt/helium/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/xen-4.17/bin
export PS1='helium:\w# '
