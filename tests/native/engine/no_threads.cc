// A library to be loaded first: with PUNIE_TEST_NO_THREADS set, the system starts no thread more, as at a limit.

#include <dlfcn.h>
#include <pthread.h>

#include <cerrno>
#include <cstdlib>

extern "C" __attribute__((visibility("default"))) int pthread_create(pthread_t* thread,
                                                                     const pthread_attr_t* attributes,
                                                                     void* (*run)(void*), void* argument) {
  using Create = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  static const auto create = reinterpret_cast<Create>(dlsym(RTLD_NEXT, "pthread_create"));
  if (std::getenv("PUNIE_TEST_NO_THREADS") != nullptr) return EAGAIN;
  return create(thread, attributes, run, argument);
}
