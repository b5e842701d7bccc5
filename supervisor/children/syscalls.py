"""System calls by number, in groups: x86_64/aarch64, `-` where there is none. Pure data, for `seccomp` and `sandbox`.

From the kernel's arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h. What came after the last
of these is not told apart: FIRST_UNKNOWN and all above answer as they would on an older kernel.
"""

NETWORK = """socket 41/198 socketpair 53/199 connect 42/203 bind 49/200 listen 50/201 accept 43/202 accept4 288/242"""
PROGRAMS = """execve 59/221 execveat 322/281"""
OTHER_PROCESSES = """ptrace 101/117 process_vm_readv 310/270 process_vm_writev 311/271 process_madvise 440/440
    process_mrelease 448/448 pidfd_open 434/434 pidfd_getfd 438/438 pidfd_send_signal 424/424 kcmp 312/272
    migrate_pages 256/238 move_pages 279/239 rt_sigqueueinfo 129/138 rt_tgsigqueueinfo 297/240"""
SHARED_MEMORY = """memfd_create 319/279 memfd_secret 447/447 shmget 29/194 shmat 30/196 shmctl 31/195 semget 64/190
    semop 65/193 semtimedop 220/192 semctl 66/191 msgget 68/186 msgsnd 69/189 msgrcv 70/188 msgctl 71/187
    mq_open 240/180 mq_unlink 241/181"""
FILES = """creat 85/- chmod 90/- fchmod 91/52 fchmodat 268/53 chown 92/- lchown 94/- fchown 93/55 fchownat 260/54
    utime 132/- utimes 235/- futimesat 261/- utimensat 280/88 setxattr 188/5 lsetxattr 189/6 fsetxattr 190/7
    removexattr 197/14 lremovexattr 198/15 fremovexattr 199/16 unlink 87/- unlinkat 263/35 rename 82/- renameat 264/38
    renameat2 316/276 mkdir 83/- mkdirat 258/34 rmdir 84/- link 86/- linkat 265/37 symlink 88/- symlinkat 266/36
    mknod 133/- mknodat 259/33 truncate 76/45 name_to_handle_at 303/264 open_by_handle_at 304/265
    fanotify_init 300/262 fanotify_mark 301/263 inotify_init 253/- inotify_init1 294/26 inotify_add_watch 254/27"""
NAMESPACES = """unshare 272/97 setns 308/268 mount 165/40 umount2 166/39 pivot_root 155/41 chroot 161/51
    open_tree 428/428 move_mount 429/429 fsopen 430/430 fsconfig 431/431 fsmount 432/432 fspick 433/433
    mount_setattr 442/442"""
KERNEL = """bpf 321/280 perf_event_open 298/241 userfaultfd 323/282 io_uring_setup 425/425 io_uring_enter 426/426
    io_uring_register 427/427 keyctl 250/219 add_key 248/217 request_key 249/218 init_module 175/105
    finit_module 313/273 delete_module 176/106 kexec_load 246/104 kexec_file_load 320/294 reboot 169/142 syslog 103/116
    swapon 167/224 swapoff 168/225 acct 163/89 quotactl 179/60 quotactl_fd 443/443 settimeofday 164/170
    clock_settime 227/112 adjtimex 159/171 clock_adjtime 305/266 sethostname 170/161 setdomainname 171/162 iopl 172/-
    ioperm 173/- vhangup 153/58"""
JUDGED_BY_ARGUMENTS = """clone 56/220 open 2/- openat 257/56 kill 62/129 tkill 200/130 tgkill 234/131 fcntl 72/25
    ioctl 16/29 prlimit64 302/261 prctl 157/167 setpriority 141/140 ioprio_set 251/30 sched_setaffinity 203/122
    sched_setscheduler 144/119 sched_setparam 142/118 sched_setattr 314/274"""
PROCESSES = """clone3 435/435 openat2 437/437 fork 57/- vfork 58/- setsid 112/157 setpgid 109/154"""
FIRST_UNKNOWN = 452
GROUPS = (NETWORK, PROGRAMS, OTHER_PROCESSES, SHARED_MEMORY, FILES, NAMESPACES, KERNEL, JUDGED_BY_ARGUMENTS, PROCESSES)


def numbers(group: str) -> dict[str, tuple[int | None, int | None]]:
    """By name: the numbers on x86_64 and on aarch64."""
    words = iter(group.split())
    return {name: _pair(next(words)) for name in words}


def _pair(text: str) -> tuple[int | None, int | None]:
    first, second = (int(word) if word.isdigit() else None for word in text.split("/"))
    return first, second
