/* N2, N4, N5, N6: pathname sockets as nodes of the file system; S8: a call in progress. SPDX-License-Identifier: MIT */
#include "check.h"
#include <dirent.h>
#include <grp.h>
#include <pthread.h>

#define D "/tmp/names"

static socklen_t address_of(struct sockaddr_un *address, const char *path)
{
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, path, strnlen(path, sizeof address->sun_path));
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strnlen(path, 107) + 1);
}

static int try_bind(int fd, const char *path)
{
    struct sockaddr_un address;
    socklen_t length = address_of(&address, path);
    char what[160];
    snprintf(what, sizeof what, "bind %.60s", path);
    return (int)show(what, bind(fd, (struct sockaddr *)&address, length));
}

static int try_connect(const char *path, int type)
{
    struct sockaddr_un address;
    socklen_t length = address_of(&address, path);
    char what[160];
    int fd = socket(AF_UNIX, type, 0);
    snprintf(what, sizeof what, "connect %.60s", path);
    show(what, connect(fd, (struct sockaddr *)&address, length));
    close(fd);
    return 0;
}

static void try_send(const char *path)
{
    struct sockaddr_un address;
    socklen_t length = address_of(&address, path);
    char what[160];
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    snprintf(what, sizeof what, "sendto %.60s", path);
    show(what, sendto(fd, "x", 1, 0, (struct sockaddr *)&address, length));
    close(fd);
}

static int bound(const char *path, int type)
{
    int fd = socket(AF_UNIX, type, 0);
    try_bind(fd, path);
    if (type != SOCK_DGRAM)
        listen(fd, 20);
    return fd;
}

static void show_node(const char *path)
{
    struct stat about;
    if (lstat(path, &about) != 0) {
        printf("%s: %s\n", path, error_name(errno));
        return;
    }
    printf("%s: mode %o, links %d, owner %d:%d, size %ld, device %d\n", path, about.st_mode,
           (int)about.st_nlink, (int)about.st_uid, (int)about.st_gid, (long)about.st_size,
           (int)about.st_rdev);
}

static void show_name(const char *what, int fd)
{
    struct sockaddr_un address;
    char bytes[200];
    socklen_t length = sizeof bytes;
    memset(bytes, '#', sizeof bytes);
    getsockname(fd, (struct sockaddr *)bytes, &length);
    memcpy(&address, bytes, sizeof address);
    printf("%s: length %d, %.*s, ends with %d\n", what, (int)length, 40, address.sun_path,
           bytes[length - 1]);
}

static void the_node(void)
{
    struct stat node, self;
    umask(027);
    int fd = bound(D "/a", SOCK_STREAM);
    show_node(D "/a");
    stat(D "/a", &node), fstat(fd, &self);
    printf("the node is another inode: %d; the socket: mode %o, %d link\n", node.st_ino != self.st_ino,
           self.st_mode, (int)self.st_nlink);
    show("open", open(D "/a", O_RDWR));
    show("open O_PATH", open(D "/a", O_PATH) >= 0);
    show("open O_CREAT", open(D "/a", O_CREAT | O_WRONLY, 0600));
    show("truncate", truncate(D "/a", 0));
    show("opendir", opendir(D "/a") != NULL);
    show("access x", access(D "/a", X_OK));
    show("chmod", chmod(D "/a", 0641));
    show("chown", chown(D "/a", 1000, 1001));
    show_node(D "/a");
    show("link", link(D "/a", D "/hard"));
    show("symlink", symlink("a", D "/soft"));
    show_node(D "/hard");
    try_connect(D "/hard", SOCK_STREAM);
    try_connect(D "/soft", SOCK_STREAM);
    try_connect(D "/a/", SOCK_STREAM);
    try_connect(D "/a/x", SOCK_STREAM);
    show("rename", rename(D "/a", D "/b"));
    show_name("after rename", fd);
    try_connect(D "/a", SOCK_STREAM);
    try_connect(D "/b", SOCK_STREAM);
    try_connect(D "/soft", SOCK_STREAM);
    try_connect(D "/b", SOCK_DGRAM);
    show("unlink", unlink(D "/b"));
    try_connect(D "/b", SOCK_STREAM);
    try_connect(D "/hard", SOCK_STREAM);
    int other = bound(D "/b", SOCK_STREAM);
    show("rename over", rename(D "/hard", D "/b"));
    try_connect(D "/b", SOCK_STREAM);
    close(fd);
    try_connect(D "/b", SOCK_STREAM);
    show_node(D "/b");
    close(other);
    DIR *directory = opendir(D);
    for (struct dirent *entry; (entry = readdir(directory));)
        if (strcmp(entry->d_name, "b") == 0)
            printf("in the directory it is a socket: %d\n", entry->d_type == DT_SOCK);
    closedir(directory);
    unlink(D "/b"), unlink(D "/soft");
    umask(022);
}

static void modes(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    show("fchmod before bind", fchmod(fd, 0604));
    try_bind(fd, D "/mode");
    show_node(D "/mode");
    show("fchmod after bind", fchmod(fd, 0777));
    show("fchown after bind", fchown(fd, 5, 6));
    show_node(D "/mode");
    close(fd);
    unlink(D "/mode");
    static const int masks[] = {0, 022, 077, 0777};
    for (unsigned i = 0; i < 4; i++) {
        umask((mode_t)masks[i]);
        fd = bound(D "/mode", SOCK_DGRAM);
        show_node(D "/mode");
        close(fd), unlink(D "/mode");
    }
    umask(022);
    mkdir(D "/group", 02775), chown(D "/group", 0, 1000), chmod(D "/group", 02775);
    fd = bound(D "/group/s", SOCK_STREAM);
    show_node(D "/group/s");
    unlink(D "/group/s"), rmdir(D "/group"), close(fd);
}

static void bad_paths(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0), file = open(D "/file", O_CREAT | O_RDWR, 0644);
    char path[300];
    symlink("nowhere", D "/dangling"), symlink("loop2", D "/loop"), symlink("loop", D "/loop2");
    try_bind(fd, D "/file");
    try_bind(fd, D);
    try_bind(fd, D "/dangling");
    show_node(D "/nowhere");
    try_bind(fd, D "/loop");
    try_bind(fd, D "/loop/x");
    try_bind(fd, D "/none/x");
    try_bind(fd, D "/file/x");
    try_bind(fd, D "/x/");
    try_bind(fd, D "/.");
    try_bind(fd, "/");
    try_bind(fd, "/proc/x");
    try_connect(D "/file", SOCK_STREAM);
    try_connect(D, SOCK_STREAM);
    try_connect(D "/dangling", SOCK_STREAM);
    try_connect(D "/loop", SOCK_STREAM);
    try_connect(D "/none/x", SOCK_STREAM);
    try_connect(D "/file/x", SOCK_STREAM);
    try_connect("/dev/null", SOCK_STREAM);
    try_connect("/proc/self/status", SOCK_STREAM);
    try_connect(".", SOCK_STREAM);
    try_send(D "/file");
    try_send(D "/none");
    /* components of 255 and 256 bytes do not fit into an address, but its symbolic links' do */
    memset(path, 'n', 256), path[256] = 0;
    symlink(path, D "/long");
    try_connect(D "/long", SOCK_STREAM);
    path[255] = 0;
    unlink(D "/long"), symlink(path, D "/long");
    try_connect(D "/long", SOCK_STREAM);
    try_bind(fd, D "/good");
    try_bind(fd, D "/second");
    show_node(D "/second");
    close(fd), close(file);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    try_bind(fd, D "/good"); /* its socket is gone, the node is not */
    unlink(D "/file"), unlink(D "/dangling"), unlink(D "/loop"), unlink(D "/loop2"), unlink(D "/long"), unlink(D "/good");
    close(fd);
}

static void lengths(void)
{
    struct sockaddr_un address;
    char full[108];
    memset(full, 'f', sizeof full);
    memcpy(full, D "/", sizeof D);
    memset(&address, 0, sizeof address);
    address.sun_family = AF_UNIX;
    memcpy(address.sun_path, full, 108);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
    show("bind 108 bytes", bind(fd, (struct sockaddr *)&address, 110));
    show_name("108 bytes", fd);
    listen(fd, 5);
    show("connect", connect(client, (struct sockaddr *)&address, 110));
    show("bind 111", bind(client, (struct sockaddr *)&address, 111));
    char copy[109];
    memcpy(copy, full, 108), copy[108] = 0;
    show_node(copy);
    unlink(copy);
    close(fd), close(client);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    strcpy(address.sun_path, D "/cut");
    show("bind, cut short", bind(fd, (struct sockaddr *)&address, 2 + (int)strlen(D "/c")));
    show_name("cut short", fd);
    show_node(D "/c");
    close(fd), unlink(D "/c");
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    show("bind, bytes after the end", bind(fd, (struct sockaddr *)&address, sizeof address));
    show_name("bytes after the end", fd);
    char small[5];
    socklen_t length = sizeof small;
    show("getsockname, short", getsockname(fd, (struct sockaddr *)small, &length));
    printf("length %d, %.3s\n", (int)length, small + 2);
    close(fd), unlink(D "/cut");
}

static void ways(void)
{
    char path[64];
    int fd = bound(D "/s", SOCK_STREAM), directory = open(D, O_RDONLY | O_DIRECTORY);
    snprintf(path, sizeof path, "/proc/self/fd/%d/s", directory);
    struct sockaddr_un address;
    int client = socket(AF_UNIX, SOCK_STREAM, 0);
    socklen_t length = address_of(&address, path);
    show("connect by /proc/self/fd", connect(client, (struct sockaddr *)&address, length));
    close(client);
    client = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d/t", directory);
    length = address_of(&address, path);
    show("bind by /proc/self/fd", bind(client, (struct sockaddr *)&address, length));
    show_node(D "/t");
    close(client), unlink(D "/t");
    int node = open(D "/s", O_PATH);
    snprintf(path, sizeof path, "/proc/self/fd/%d", node);
    client = socket(AF_UNIX, SOCK_STREAM, 0);
    length = address_of(&address, path);
    show("connect by the node's descriptor", connect(client, (struct sockaddr *)&address, length));
    close(client), close(node);
    try_connect("/proc/self/cwd" D "/s", SOCK_STREAM);
    mkdir(D "/sub", 0755);
    chdir(D "/sub");
    try_connect("../s", SOCK_STREAM);
    int relative = bound("r", SOCK_STREAM);
    show_name("relative", relative);
    show_node(D "/sub/r");
    chdir("/");
    try_connect("r", SOCK_STREAM);
    try_connect(D "/sub/../sub/./r", SOCK_STREAM);
    try_connect("tmp//names///s", SOCK_STREAM);
    close(relative), close(fd), close(directory);
    unlink(D "/sub/r"), rmdir(D "/sub"), unlink(D "/s");
}

/* Runs as `uid`: what it may reach. */
static int as_user(void *argument)
{
    uid_t uid = *(uid_t *)argument;
    if (uid) {
        setgroups(0, NULL);
        if (setgid(uid) || setuid(uid))
            return 1;
    }
    printf("-- as %d\n", (int)uid);
    try_connect(D "/open", SOCK_STREAM);
    try_connect(D "/read", SOCK_STREAM);
    try_connect(D "/write", SOCK_STREAM);
    try_connect(D "/owner", SOCK_STREAM);
    try_connect(D "/theirs", SOCK_STREAM);
    try_connect(D "/group", SOCK_STREAM);
    try_connect(D "/shut/s", SOCK_STREAM);
    try_connect(D "/search/s", SOCK_STREAM);
    try_connect(D "/link", SOCK_STREAM);
    try_send(D "/mail");
    try_send(D "/mail_shut");
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    try_bind(fd, D "/mine");
    try_bind(fd, D "/shut/mine");
    try_bind(fd, D "/all/mine");
    show_node(D "/all/mine");
    show("chmod of another's", chmod(D "/open", 0777));
    show("chown of one's own", chown(D "/all/mine", 1001, (gid_t)-1));
    show("unlink another's", unlink(D "/all/root"));
    show("rename one's own", rename(D "/all/mine", D "/all/moved"));
    unlink(D "/all/moved"), unlink(D "/mine"), unlink(D "/shut/mine");
    return 0;
}

static void permissions(void)
{
    static const struct {
        const char *path;
        mode_t mode;
        uid_t uid;
        gid_t gid;
    } nodes[] = {{D "/open", 0666, 0, 0},    {D "/read", 0444, 0, 0},  {D "/write", 0222, 0, 0},
                 {D "/owner", 0200, 1000, 0}, {D "/theirs", 0066, 1000, 1000}, {D "/group", 0020, 0, 1000},
                 {D "/shut/s", 0777, 0, 0},  {D "/search/s", 0777, 0, 0}};
    mkdir(D "/shut", 0), mkdir(D "/search", 0711), mkdir(D "/all", 0777);
    chmod(D "/all", 01777);
    int fds[8];
    for (unsigned i = 0; i < 8; i++) {
        fds[i] = bound(nodes[i].path, SOCK_STREAM);
        chmod(nodes[i].path, nodes[i].mode), chown(nodes[i].path, nodes[i].uid, nodes[i].gid);
    }
    chmod(D "/shut", 0), chmod(D "/search", 0711);
    symlink("shut/s", D "/link");
    int mail = bound(D "/mail", SOCK_DGRAM), shut = bound(D "/mail_shut", SOCK_DGRAM);
    int root = bound(D "/all/root", SOCK_DGRAM);
    chmod(D "/mail", 0222), chmod(D "/mail_shut", 0444);
    for (uid_t uid = 0; uid <= 1000; uid += 1000)
        show_status("as user", in_child(as_user, &uid));
    /* a connection that stands needs no permission any more */
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    struct sockaddr_un address;
    socklen_t length = address_of(&address, D "/mail");
    show("connect", connect(fd, (struct sockaddr *)&address, length));
    chmod(D "/mail", 0), seteuid(1000);
    show("send when connected", send(fd, "y", 1, 0));
    show("sendto", sendto(fd, "y", 1, 0, (struct sockaddr *)&address, length));
    show("connect again", connect(fd, (struct sockaddr *)&address, length));
    seteuid(0);
    close(fd), close(mail), close(shut), close(root);
    for (unsigned i = 0; i < 8; i++)
        close(fds[i]), unlink(nodes[i].path);
    unlink(D "/link"), unlink(D "/mail"), unlink(D "/mail_shut"), unlink(D "/all/root");
    rmdir(D "/shut"), rmdir(D "/search"), rmdir(D "/all");
}

/* Two namespaces: the same bytes as an abstract name and as a path; one abstract name a type. */
static void namespaces(void)
{
    struct sockaddr_un address;
    int a = bound(D "/n", SOCK_STREAM);
    int b = socket(AF_UNIX, SOCK_DGRAM, 0);
    try_bind(b, D "/n");
    memset(&address, 0, sizeof address);
    address.sun_family = AF_UNIX;
    memcpy(address.sun_path + 1, D "/n", sizeof D "/n" - 1);
    static const int types[] = {SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM, SOCK_DGRAM};
    int fds[4];
    for (unsigned i = 0; i < 4; i++) {
        fds[i] = socket(AF_UNIX, types[i], 0);
        show("bind abstract", bind(fds[i], (struct sockaddr *)&address, 2 + 1 + sizeof D "/n" - 1));
    }
    for (unsigned i = 0; i < 4; i++)
        close(fds[i]);
    close(a), close(b), unlink(D "/n");
}

static void *receiver(void *argument)
{
    static char bytes[9];
    return recv(*(int *)argument, bytes, 8, 0) == 6 ? bytes : NULL;
}

/* S8: the description lives as long as a call on it. */
static void in_progress(void)
{
    int fds[2];
    pthread_t thread;
    socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
    pthread_create(&thread, NULL, receiver, &fds[1]);
    sleep_ms(100);
    show("close", close(fds[1]));
    sleep_ms(50);
    show("send", send(fds[0], "got it", 6, MSG_NOSIGNAL));
    void *got;
    pthread_join(thread, &got);
    printf("the closed descriptor's recv: %s\n", got ? (char *)got : "nothing");
    show("send", send(fds[0], "x", 1, MSG_NOSIGNAL));
    close(fds[0]);
}

int main(void)
{
    mkdir(D, 0777);
    chmod(D, 0755);
    the_node();
    modes();
    bad_paths();
    lengths();
    ways();
    permissions();
    namespaces();
    in_progress();
    show("nothing is left", rmdir(D));
    return 0;
}
