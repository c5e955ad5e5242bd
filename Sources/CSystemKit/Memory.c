#include "CSystemKit.h"
#include <malloc.h>

void csk_give_memory_back(void) { malloc_trim(0); }
