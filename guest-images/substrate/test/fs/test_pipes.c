#include "shim.h"
void test_pipes(void) { }
