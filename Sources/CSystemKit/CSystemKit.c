#include "CSystemKit.h"
