/* libfaketime moves the clock, and the deadlines of POSIX waits with it, but knows nothing of the waits of C11, which the
   Kafka client uses: here they become POSIX waits. In glibc both have the same condition and mutex. */
#include <errno.h>
#include <pthread.h>
#include <threads.h>

int cnd_timedwait(cnd_t *condition, mtx_t *mutex, const struct timespec *deadline)
{
    int failed = pthread_cond_timedwait((pthread_cond_t *)condition, (pthread_mutex_t *)mutex, deadline);
    return failed == 0 ? thrd_success : failed == ETIMEDOUT ? thrd_timedout : thrd_error;
}
