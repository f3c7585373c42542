/* Threads: create, join, mutex, condition, thread-local storage, signals to one thread.
 * SPDX-License-Identifier: MIT */
#include "check.h"
#include <pthread.h>
#include <semaphore.h>

#define THREADS 8
#define ROUNDS 20000

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static long counter, turn;
static __thread long own;
static volatile sig_atomic_t handled_by_thread;
static pthread_t target;

static void *count_up(void *argument)
{
    long id = (long)argument;
    own = id;
    for (int i = 0; i < ROUNDS; i++) {
        pthread_mutex_lock(&lock);
        counter++;
        pthread_mutex_unlock(&lock);
    }
    return (void *)(own * 10);
}

static void *take_turns(void *argument)
{
    long id = (long)argument;
    for (int round = 0; round < 50; round++) {
        pthread_mutex_lock(&lock);
        while (turn % 3 != id)
            pthread_cond_wait(&changed, &lock);
        turn++;
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

static void on_signal(int signal)
{
    (void)signal;
    handled_by_thread = pthread_equal(pthread_self(), target);
}

static void *wait_for_signal(void *argument)
{
    int *ends = argument;
    char byte;
    ssize_t n = read(ends[0], &byte, 1);
    return (void *)(long)(n == -1 && errno == EINTR);
}

static void *exit_early(void *argument)
{
    pthread_exit(argument);
}

static void *forever(void *argument)
{
    (void)argument;
    for (;;)
        pause();
    return NULL;
}

static int exit_with_threads(void *argument)
{
    (void)argument;
    pthread_t thread;
    for (int i = 0; i < 3; i++)
        pthread_create(&thread, NULL, forever, NULL);
    exit(21);
}

static int crash_with_threads(void *argument)
{
    pthread_t thread;
    for (int i = 0; i < 3; i++)
        pthread_create(&thread, NULL, forever, NULL);
    *(volatile int *)argument = 1;
    return 0;
}

static void *fork_in_thread(void *argument)
{
    (void)argument;
    pid_t pid = fork();
    if (pid == 0)
        _exit(own == 0 ? 33 : 34);
    int status;
    waitpid(pid, &status, 0);
    return (void *)(long)WEXITSTATUS(status);
}

int main(void)
{
    pthread_t threads[THREADS];
    void *result;
    long sum = 0;
    for (long i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, count_up, (void *)i) != 0)
            printf("pthread_create failed\n");
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], &result);
        sum += (long)result;
    }
    printf("counter %ld, results %ld, main's own %ld\n", counter, sum, own);
    for (long i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, take_turns, (void *)i);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    printf("turns %ld\n", turn);
    int ends[2];
    pipe(ends);
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &action, NULL);
    pthread_create(&target, NULL, wait_for_signal, ends);
    sleep_ms(100);
    pthread_kill(target, SIGUSR1);
    pthread_join(target, &result);
    printf("read interrupted in the thread: %ld, handler ran there: %d\n", (long)result,
           (int)handled_by_thread);
    sem_t semaphore;
    sem_init(&semaphore, 0, 0);
    struct timespec soon;
    clock_gettime(CLOCK_REALTIME, &soon);
    soon.tv_nsec += 50000000;
    soon.tv_sec += soon.tv_nsec / 1000000000;
    soon.tv_nsec %= 1000000000;
    SHOW(sem_timedwait(&semaphore, &soon));
    pthread_mutex_lock(&lock);
    printf("pthread_cond_timedwait: %s\n",
           error_name(pthread_cond_timedwait(&changed, &lock, &soon)));
    pthread_mutex_unlock(&lock);
    pthread_create(&threads[0], NULL, exit_early, (void *)77);
    pthread_join(threads[0], &result);
    printf("pthread_exit: %ld\n", (long)result);
    pthread_create(&threads[0], NULL, fork_in_thread, NULL);
    pthread_join(threads[0], &result);
    printf("fork in a thread: child's status %ld\n", (long)result);
    pthread_create(&threads[0], NULL, forever, NULL);
    pthread_cancel(threads[0]);
    pthread_join(threads[0], &result);
    printf("cancelled: %d\n", result == PTHREAD_CANCELED);
    show_status("exit with threads running", in_child(exit_with_threads, NULL));
    show_status("crash with threads running", in_child(crash_with_threads, (void *)16));
    for (int i = 0; i < 200; i++) {
        pthread_create(&threads[0], NULL, exit_early, NULL);
        pthread_join(threads[0], NULL);
    }
    printf("200 threads one after the other\n");
    return 0;
}
