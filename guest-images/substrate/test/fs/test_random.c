#include "shim.h"
void test_random(void) { }
